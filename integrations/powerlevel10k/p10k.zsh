# codexline in powerlevel10k: add this to ~/.p10k.zsh and `codexline` to POWERLEVEL9K_RIGHT_PROMPT_ELEMENTS.
function prompt_codexline() {
  # The state in capitals, then the text.
  local line="$(codexline powerlevel10k)"
  [[ -n $line ]] && p10k segment -s "${line%% *}" -t "${line#* }"
}
typeset -g POWERLEVEL9K_CODEXLINE_OK_FOREGROUND=green
typeset -g POWERLEVEL9K_CODEXLINE_WARNING_FOREGROUND=yellow
typeset -g POWERLEVEL9K_CODEXLINE_{CRITICAL,EXHAUSTED}_FOREGROUND=red
typeset -g POWERLEVEL9K_CODEXLINE_UNKNOWN_FOREGROUND=8
