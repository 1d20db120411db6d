# codexline in zsh: for ~/.zshrc. The line stands at the right, in front of what is there already.
# codexline says for how many seconds its line reads the same. Until then no process is started.
__codexline_prompt() {
    local key=$PWD:$CODEX_HOME:$TZ ttl= line=
    [[ -o PROMPT_SUBST ]] && key+=:subst
    emulate -L zsh
    # A clock that was set back makes SECONDS smaller.
    if ((SECONDS >= ${__codexline_until:-0} || SECONDS < ${__codexline_seen:-0})) ||
        [[ $key != $__codexline_key ]]; then
        IFS=$'\t' read -r ttl line < <(codexline zsh --ttl)
        [[ $ttl == <1-> ]] || ttl=1 line=
        typeset -gi __codexline_until=$((SECONDS + ttl))
        typeset -g __codexline_key=$key __codexline_line=$line
    elif [[ $RPROMPT == "$__codexline_whole" ]]; then
        __codexline_seen=$SECONDS
        return
    fi
    typeset -gi __codexline_seen=$((SECONDS))
    # Away with the last line, unless something else has set RPROMPT anew.
    RPROMPT=${RPROMPT#"$__codexline_shown"} line=$__codexline_line
    if [[ $PROMPT$RPROMPT == *__codexline_line* ]]; then
        line=
    elif [[ -n $line && $key == *:subst ]]; then
        # Commands in a text would be run, but not those in a variable.
        line='$__codexline_line'
    fi
    typeset -g __codexline_shown=$line${line:+${RPROMPT:+ }}
    typeset -g __codexline_whole=$__codexline_shown$RPROMPT
    RPROMPT=$__codexline_whole
}
autoload -Uz add-zsh-hook && add-zsh-hook precmd __codexline_prompt
