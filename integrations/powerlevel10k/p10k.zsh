# codexline in powerlevel10k: for ~/.p10k.zsh.
function prompt_codexline() {
  # The state in capitals, then the text.
  local line="$(codexline powerlevel10k)"
  [[ -n $line ]] && p10k segment -s "${line%% *}" -t "${line#* }"
}
typeset -g POWERLEVEL9K_CODEXLINE_OK_FOREGROUND=green
typeset -g POWERLEVEL9K_CODEXLINE_WARNING_FOREGROUND=yellow
typeset -g POWERLEVEL9K_CODEXLINE_{CRITICAL,EXHAUSTED}_FOREGROUND=red
typeset -g POWERLEVEL9K_CODEXLINE_UNKNOWN_FOREGROUND=8
