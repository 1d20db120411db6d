#!/bin/sh
# codexline as a tmux plugin, for TPM or `run-shell /path/to/codexline.tmux`: puts the line where `#{codexline}` stands in
# status-left or status-right. `@codexline_NAME` is the option `--NAME`: `set -g @codexline_max_age 5m`.

# Each option that is set goes to codexline as environment. tmux itself looks the value up and quotes it at each run, so
# that a change needs no reload, and no value can end the command early.
environment=
for name in $(tmux show-options -g | sed -n 's/^@codexline_\([a-z_]*\) .*/\1/p'); do
    environment="$environment CODEXLINE_$(echo "$name" | tr a-z A-Z)=#{q:@codexline_$name}"
done
line="#(exec ${environment:+env$environment }codexline tmux)"

for option in status-left status-right; do
    rest=$(tmux show-option -gqv "$option")
    value=
    while [ "$rest" != "${rest#*'#{codexline}'}" ]; do
        value="$value${rest%%'#{codexline}'*}$line"
        rest=${rest#*'#{codexline}'}
    done
    [ -z "$value" ] || tmux set-option -gq "$option" "$value$rest"
done
