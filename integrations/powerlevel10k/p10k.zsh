# codexline in powerlevel10k: add this to ~/.p10k.zsh and `codexline` to POWERLEVEL9K_RIGHT_PROMPT_ELEMENTS.
function prompt_codexline() {
  p10k segment -t "$(codexline zsh)"
}
