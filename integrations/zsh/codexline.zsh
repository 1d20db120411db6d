# codexline in zsh: for ~/.zshrc. The line stands at the right, in front of what is there already.
# codexline says for how many seconds its line reads the same. Until then no process is started.
setopt PROMPT_SUBST
__codexline_prompt() {
    emulate -L zsh
    local key=$PWD:$CODEX_HOME:$TZ ttl= line=
    # A clock that was set back makes SECONDS smaller.
    if ((SECONDS >= ${__codexline_until:-0} || SECONDS < ${__codexline_seen:-0})) ||
        [[ $key != $__codexline_key ]]; then
        IFS=$'\t' read -r ttl line < <(codexline zsh --ttl)
        [[ $ttl == <1-> ]] || ttl=1 line=
        typeset -gi __codexline_until=$((SECONDS + ttl))
        typeset -g __codexline_key=$key __codexline_line=$line
    fi
    typeset -gi __codexline_seen=$((SECONDS))
}
autoload -Uz add-zsh-hook && add-zsh-hook precmd __codexline_prompt
[[ $RPROMPT == *__codexline_line* ]] || RPROMPT='$__codexline_line'"${RPROMPT:+ $RPROMPT}"
