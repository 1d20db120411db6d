# codexline in zsh: add this to ~/.zshrc, after anything else that sets RPROMPT.
setopt PROMPT_SUBST
RPROMPT='$(codexline zsh)'
