# codexline in starship, from a variable: for ~/.zshrc and ~/.bashrc, behind starship's own line.
# codexline says for how many seconds its line reads the same. Until then no process is started.
__codexline_export() {
    local key=$PWD:${CODEX_HOME-}:${TZ-} ttl= line=
    # A clock that was set back makes SECONDS smaller.
    if ((SECONDS >= ${__codexline_env_until:-0} || SECONDS < ${__codexline_env_seen:-0})) ||
        [[ $key != "${__codexline_env_key-}" ]]; then
        IFS=$'\t' read -r ttl line < <(codexline starship --ttl)
        case $ttl in '' | *[!0-9]*) ttl=1 line= ;; esac
        __codexline_env_until=$((SECONDS + ttl)) __codexline_env_key=$key
        export CODEXLINE=$line
    fi
    __codexline_env_seen=$SECONDS
    "${__codexline_env_other-:}"
}
if [ -n "${ZSH_VERSION-}" ]; then
    precmd_functions=(__codexline_export ${precmd_functions:#__codexline_export})
elif [ "${starship_precmd_user_func-}" != __codexline_export ]; then
    __codexline_env_other=${starship_precmd_user_func-:}
    starship_precmd_user_func=__codexline_export
fi
