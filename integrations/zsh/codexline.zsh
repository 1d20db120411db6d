# codexline in zsh: for ~/.zshrc. The line stands at the right, in front of what is there already.
setopt PROMPT_SUBST
[[ $RPROMPT == *'codexline zsh)'* ]] || RPROMPT='$(codexline zsh)'"${RPROMPT:+ $RPROMPT}"
