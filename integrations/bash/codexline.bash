# codexline in bash: for ~/.bashrc. The line stands above the prompt, whatever draws that one.
# codexline says for how many seconds its line reads the same. Until then no process is started.
__codexline_prompt() {
    local status=$? key=$PWD:${CODEX_HOME-}:${TZ-} ttl= line=
    # Away with the last line, unless something else has set PS1 anew.
    PS1=${PS1#"${__codexline_line-}"}
    # A clock that was set back makes SECONDS smaller.
    if ((SECONDS >= ${__codexline_until:-0} || SECONDS < ${__codexline_seen:-0})) ||
        [[ $key != "${__codexline_key-}" ]]; then
        IFS=$'\t' read -r ttl line < <(codexline bash --ttl)
        case $ttl in '' | *[!0-9]*) ttl=1 line= ;; esac
        __codexline_until=$((SECONDS + ttl)) __codexline_key=$key
        __codexline_line=${line:+$line'\n'}
    fi
    __codexline_seen=$SECONDS
    PS1=$__codexline_line$PS1
    return $status
}
case "$(declare -p PROMPT_COMMAND 2>/dev/null)" in
    *__codexline_prompt*) ;;
    "declare -a"*) PROMPT_COMMAND+=(__codexline_prompt) ;;
    *) PROMPT_COMMAND=${PROMPT_COMMAND:+$PROMPT_COMMAND$'\n'}__codexline_prompt ;;
esac
