{
  description = "Prints how much of a Codex plan is left, for a shell prompt or a bar";
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      each = nixpkgs.lib.genAttrs systems;
    in {
      packages = each (system:
        let pkgs = nixpkgs.legacyPackages.${system}; in rec {
          default = codexline;
          codexline = pkgs.rustPlatform.buildRustPackage rec {
            pname = "codexline";
            version = "VERSION";
            src = pkgs.fetchurl {
              name = "codexline-${version}.tar.gz";
              url = "https://static.crates.io/crates/codexline/codexline-${version}.crate";
              sha256 = "SUM(codexline-VERSION.crate)";
            };
            cargoLock.lockFile = ./Cargo.lock;
            cargoTestFlags = [ "--lib" ];
            nativeBuildInputs = [ pkgs.installShellFiles ];
            postInstall = ''
              $out/bin/codexline man > codexline.1
              installManPage codexline.1
              installShellCompletion --cmd codexline \
                --bash <($out/bin/codexline completions bash) \
                --zsh <($out/bin/codexline completions zsh) \
                --fish <($out/bin/codexline completions fish)
            '';
            meta = {
              description = "Prints how much of a Codex plan is left, for a shell prompt or a bar";
              homepage = "REPOSITORY";
              license = pkgs.lib.licenses.mit;
              mainProgram = "codexline";
            };
          };
        });
    };
}
