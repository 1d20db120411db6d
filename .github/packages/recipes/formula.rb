class Codexline < Formula
  desc "Prints how much of a Codex plan is left, for a shell prompt or a bar"
  homepage "REPOSITORY"
  version "VERSION"
  license "MIT"

  on_macos do
    on_arm do
      url "REPOSITORY/releases/download/vVERSION/codexline-aarch64-apple-darwin.tgz"
      sha256 "SUM(codexline-aarch64-apple-darwin.tgz)"
    end
    on_intel do
      url "REPOSITORY/releases/download/vVERSION/codexline-x86_64-apple-darwin.tgz"
      sha256 "SUM(codexline-x86_64-apple-darwin.tgz)"
    end
  end

  on_linux do
    on_arm do
      url "REPOSITORY/releases/download/vVERSION/codexline-aarch64-unknown-linux-musl.tgz"
      sha256 "SUM(codexline-aarch64-unknown-linux-musl.tgz)"
    end
    on_intel do
      url "REPOSITORY/releases/download/vVERSION/codexline-x86_64-unknown-linux-musl.tgz"
      sha256 "SUM(codexline-x86_64-unknown-linux-musl.tgz)"
    end
  end

  def install
    bin.install "codexline"
    man1.install "share/codexline.1"
    bash_completion.install "share/codexline.bash" => "codexline"
    zsh_completion.install "share/_codexline"
    fish_completion.install "share/codexline.fish"
    pkgshare.install "integrations"
    doc.install "README.md", "THIRD-PARTY.md"
  end

  test do
    assert_match "5h", shell_output("#{bin}/codexline demo --color never")
  end
end
