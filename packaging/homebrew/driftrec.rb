# A formula for a tap.  It installs the archive that `python -m build` writes to dist/, with the packages of
# locked/container.txt; docs/contribute/releasing.md says what to change for a release.
class Driftrec < Formula
  desc "Restores over-compressed JPEGs with a diffusion model"
  url "file://#{File.expand_path("../../dist/driftrec-0.1.0.tar.gz", __dir__)}"
  version "0.1.0"
  license "Apache-2.0"

  depends_on "python@3.13"

  def install
    python = Formula["python@3.13"].opt_bin/"python3.13"
    hashed = %w[--no-cache-dir --require-hashes --no-deps -r]
    system python, "-m", "venv", buildpath/"build"
    system buildpath/"build/bin/pip", "install", *hashed, "locked/build.txt"
    system buildpath/"build/bin/pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", buildpath/"wheel", "."
    system python, "-m", "venv", libexec
    system libexec/"bin/pip", "install", *hashed, "locked/container.txt"
    system libexec/"bin/pip", "install", "--no-deps", "--no-index", *buildpath.glob("wheel/driftrec-*.whl")
    bin.install_symlink libexec/"bin/driftrec"
    man1.install_symlink libexec/"share/man/man1/driftrec.1"
    generate_completions_from_executable(bin/"driftrec", shells: [:bash, :zsh, :fish], shell_parameter_format: :typer)
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/driftrec --version")
    assert_match "the default", shell_output("#{bin}/driftrec models")
  end
end
