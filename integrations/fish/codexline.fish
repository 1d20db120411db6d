# codexline in fish: save this as ~/.config/fish/functions/fish_right_prompt.fish.
function fish_right_prompt
    codexline fish
end
