# codexline in fish: for ~/.config/fish/conf.d/codexline.fish. The line stands at the right, in
# front of what is there already. Done at the first prompt, when every other file has been read.
function __codexline_setup --on-event fish_prompt
    functions --erase __codexline_setup
    if functions --query fish_right_prompt
        functions --copy fish_right_prompt __codexline_other_prompt
    else
        function __codexline_other_prompt
        end
    end
    function fish_right_prompt
        string join ' ' (codexline fish) (__codexline_other_prompt)
    end
end
