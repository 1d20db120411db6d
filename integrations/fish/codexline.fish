# codexline in fish: for ~/.config/fish/conf.d/codexline.fish. The line stands at the right, in
# front of what is there already. codexline says for how many seconds its line reads the same. Until
# then no process is started.
function __codexline_prompt
    # fish has no clock. The age of a file, its own program, tells how much time has gone by.
    set -l now 0
    if set -q __codexline_clock
        path mtime --relative -- $__codexline_clock | read now
        or set now 0
    end
    set -l key "$PWD:$CODEX_HOME:$TZ"
    # A clock that was set back makes the file younger.
    if not test "$now" -lt "$__codexline_until" -a "$now" -ge "$__codexline_seen" \
            -a "$key" = "$__codexline_key"
        codexline fish --ttl | read -l --delimiter \t ttl line
        string match -qr '^\d+$' -- "$ttl"
        or set ttl 1 line ''
        set -q __codexline_clock
        or set ttl 0
        set -g __codexline_until (math $now + $ttl)
        set -g __codexline_key $key
        set -g __codexline_line $line
    end
    set -g __codexline_seen $now
end
set -g __codexline_until 0
set -g __codexline_seen 0
# Before fish 3.6 nothing tells the time, and each prompt asks codexline.
path mtime -- (status fish-path) >/dev/null 2>&1
and set -g __codexline_clock (status fish-path)
# Done at the first prompt, when every other file has been read.
function __codexline_setup --on-event fish_prompt
    functions --erase __codexline_setup
    if functions --query fish_right_prompt
        functions --copy fish_right_prompt __codexline_other_prompt
    else
        function __codexline_other_prompt
        end
    end
    function fish_right_prompt
        __codexline_prompt
        string join --no-empty ' ' $__codexline_line (__codexline_other_prompt)
    end
end
