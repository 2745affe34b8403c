#!/bin/sh
# Install what the report and its tests need from the system: TeX Live, and two PDF tools.
# Debian and Ubuntu: apt, with sudo when not root. Elsewhere: say what to install.
set -eu

packages="latexmk texlive-latex-recommended texlive-latex-extra texlive-science \
texlive-fonts-recommended texlive-bibtex-extra texlive-plain-generic tex-gyre lmodern biber \
latexdiff poppler-utils qpdf"

# The first thing that is not there, or nothing.
missing() {
    for program in latexmk pdflatex biber kpsewhich latexdiff pdftotext pdffonts qpdf; do
        command -v "$program" >/dev/null 2>&1 || { echo "$program"; return; }
    done
    for file in scrartcl.cls tgpagella.sty mathpazo.sty tcolorbox.sty biblatex.sty accsupp.sty \
        ulem.sty; do
        kpsewhich "$file" >/dev/null 2>&1 || { echo "$file"; return; }
    done
}

[ -z "$(missing)" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "workings: TeX Live is missing or incomplete, and this is neither Debian nor Ubuntu." >&2
    echo "Install TeX Live with latexmk, biber, KOMA-Script, TeX Gyre, tcolorbox, biblatex," >&2
    echo "accsupp, ulem and latexdiff (on macOS: MacTeX), and poppler and qpdf; then run the same command again." >&2
    exit 1
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "workings: TeX Live is missing. As root, run: apt-get install $packages" >&2
        exit 1
    fi
    as_root="sudo"
fi
echo "workings: installing TeX Live (about 500 MB; once)"
$as_root apt-get update -q
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends $packages
left=$(missing)
[ -z "$left" ] || { echo "workings: apt-get install went well, but $left is still missing" >&2; exit 1; }
