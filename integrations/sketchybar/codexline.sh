#!/bin/sh
# codexline in SketchyBar: put this file, executable, into ~/.config/sketchybar/plugins.
PATH="$HOME/.cargo/bin:/opt/homebrew/bin:/usr/local/bin:$PATH"
sketchybar --set "$NAME" label="$(codexline plain --color never)"
