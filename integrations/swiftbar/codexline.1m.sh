#!/bin/sh
# codexline in SwiftBar or xbar: put this file, executable, into the plugin folder. The name says how often: each minute.
# <xbar.title>codexline</xbar.title>
# <xbar.desc>How much of the Codex plan is left</xbar.desc>
# <swiftbar.hideRunInTerminal>true</swiftbar.hideRunInTerminal>
PATH="$HOME/.cargo/bin:/opt/homebrew/bin:/usr/local/bin:$PATH"
exec codexline swiftbar
