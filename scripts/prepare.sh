# What ./serve and ./check have in common: it finds what building and running need, and installs what is missing.
# Sourced by them, from the repository's root; POSIX sh.

# The oldest PostgreSQL that will do (src/store/private/programs.rs says the same).
oldest_postgresql=14

say() {
    printf '%s\n' "$*" >&2
}

fail() {
    say "$(basename "$0"): $*"
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# Runs a command as root, or fails where that needs a password.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

# Installs Debian packages; where it may not or cannot, it says what to do instead.
install_packages() {
    if ! have apt-get; then
        fail "missing: $*. Install them (or what your system calls them), then run this again."
    fi
    if [ "$(id -u)" != 0 ] && ! { have sudo && sudo -n true 2>/dev/null; }; then
        if have sudo; then sudo='sudo '; who=''; else sudo=''; who=' (as root)'; fi
        say "Missing: $*. Install with$who:"
        say "    ${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends $*"
        fail "then run this again."
    fi
    say "Installing $* ..."
    as_root apt-get update -qq >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2 ||
        fail "apt-get could not install: $*"
}

# Cargo, also where rustup has put it but the shell does not look for it.
need_cargo() {
    if ! have cargo && [ -x "${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo" ]; then
        PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
        export PATH
    fi
    have cargo || fail "cargo is missing: install a Rust toolchain (rustup, with its defaults) for the user $(id -un), then run this again."
    # rustup's cargo is there even when no toolchain is, or when the toolchain is in another user's home.
    cargo --version >/dev/null || fail "cargo does not run: see above (rustup default stable installs a toolchain)."
}

# What cargo calls for the crates with C in them, and to link.
need_compiler() {
    have cc || missing="$missing gcc libc6-dev"
}

# PostgreSQL's programs, where the server looks for them too. No server of the system's is used or touched.
has_postgresql() {
    # Whoever names a directory gets the server's opinion about it.
    [ -z "${CIRRUS_POSTGRESQL_BIN:-}" ] || return 0
    for postgres in "$(command -v postgres || true)" /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres \
        /usr/local/pgsql/bin/postgres /usr/libexec/postgresql*/postgres \
        /opt/homebrew/opt/postgresql*/bin/postgres /usr/local/opt/postgresql*/bin/postgres; do
        [ -x "$postgres" ] || continue
        major=$("$postgres" --version 2>/dev/null | sed -n 's/^[^)]*) \([0-9][0-9]*\).*/\1/p')
        [ "${major:-0}" -lt "$oldest_postgresql" ] || return 0
    done
    return 1
}

need_postgresql() {
    has_postgresql || missing="$missing postgresql"
}

# Python with what makes virtual environments; sets $python.
find_python() {
    for python in python3 /usr/bin/python3; do
        ! "$python" -c 'import ensurepip, venv' 2>/dev/null || return 0
    done
    return 1
}

need_python() {
    find_python || missing="$missing python3 python3-venv"
}

# Installs what the functions above have put into $missing, once and together.
install_missing() {
    # shellcheck disable=SC2086 # these are words
    set -- $missing
    [ $# -gt 0 ] || return 0
    no_cluster=
    case " $* " in
    *" postgresql "*)
        # Debian makes and starts a cluster at the installation; nobody here would use it, so it is told not to.
        clusters=/etc/postgresql-common/createcluster.d
        if have apt-get && as_root mkdir -p "$clusters" 2>/dev/null; then
            no_cluster=$clusters/cirrus.conf
            echo 'create_main_cluster = false' | as_root tee "$no_cluster" >/dev/null
        fi
        ;;
    esac
    install_packages "$@"
    # Only this installation was meant.
    [ -z "$no_cluster" ] || as_root rm -f "$no_cluster"
    missing=
}

# The Python client of the original, in .venv, for the tests. A stamp makes the second time fast.
prepare_client() {
    requirements=scripts/client-requirements.txt
    if ! { cmp -s "$requirements" .venv/installed.txt && .venv/bin/python -c '' 2>/dev/null; }; then
        find_python || fail "python3 cannot make virtual environments, even with python3-venv installed."
        say "Installing the Python client for the tests into .venv ..."
        rm -rf .venv
        "$python" -m venv .venv || fail "could not make .venv"
        # Without dependencies: the client asks for versions that no longer install; the file names those that do.
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --use-pep517 -r "$requirements" ||
            fail "could not install the Python client"
        .venv/bin/python -c 'from vnc_api.vnc_api import *' || fail "the Python client does not work"
        cp "$requirements" .venv/installed.txt
    fi
    CIRRUS_PYTHON="$PWD/.venv/bin/python"
    export CIRRUS_PYTHON
}

missing=
