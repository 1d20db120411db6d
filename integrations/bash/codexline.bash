# codexline in bash: for ~/.bashrc. The line stands above the prompt, whatever draws that one.
__codexline_prompt() {
    local status=$?
    # Away with the last line, unless something else has set PS1 anew.
    PS1=${PS1#"$__codexline_line"}
    __codexline_line=$(codexline bash)
    __codexline_line=${__codexline_line:+$__codexline_line'\n'}
    PS1=$__codexline_line$PS1
    return $status
}
case "$(declare -p PROMPT_COMMAND 2>/dev/null)" in
    *__codexline_prompt*) ;;
    "declare -a"*) PROMPT_COMMAND+=(__codexline_prompt) ;;
    *) PROMPT_COMMAND="${PROMPT_COMMAND:+$PROMPT_COMMAND$'\n'}__codexline_prompt" ;;
esac
