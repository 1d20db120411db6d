//! Prompts without starship: bash, zsh and fish as the snippets set them up.
