#!/bin/sh
# Finds the regsync that this commit pins, proves it by its SHA-256, and becomes it.
#
# Inputs come as INPUT_… variables and go on as REGSYNC_… ones; nothing here reads them as code. Whatever cannot be
# proven is not run.
set -eu

# Secrets go to regsync and to nothing that is run before it: what is given to this step is kept out of the environment until
# then, and what the job has besides while the binary is looked for.
unset registry_auth github_token
registry_auth=${INPUT_REGISTRY_AUTH:-${REGSYNC_AUTH:-}}
github_token=${INPUT_GITHUB_TOKEN:-${GITHUB_TOKEN:-${JOB_TOKEN:-}}}
unset INPUT_REGISTRY_AUTH REGSYNC_AUTH INPUT_GITHUB_TOKEN GITHUB_TOKEN JOB_TOKEN

here=$(CDPATH='' cd -- "${0%/*}" && pwd)
releases=https://github.com/org/regsync-action/releases/download

# --- secrets, and who has them -----------------------------------------------------------------

# Takes the secrets of the job out of the environment. For a subshell: regsync is to have them.
forget_secrets() {
    unset ACTIONS_ID_TOKEN_REQUEST_TOKEN ACTIONS_ID_TOKEN_REQUEST_URL ACTIONS_RUNTIME_TOKEN GH_TOKEN
    unset DOCKER_AUTH_CONFIG AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AZURE_CLIENT_SECRET
    # By no other program, which would have them too. A line within a value is no name, or one that is a secret's anyway.
    set -f
    variables=$(export -p)
    IFS='
'
    for variable in $variables; do
        variable=${variable#export }
        variable=${variable#declare -x }
        variable=${variable%%=*}
        case $variable in
        *[!0-9A-Za-z_]*) ;;
        REGSYNC_AUTH_* | *TOKEN* | *SECRET* | *PASSWORD* | *PASSWD* | *CREDENTIAL* | *_KEY) unset "$variable" ;;
        esac
    done
    unset IFS variables variable
    set +f
}

# --- saying things ----------------------------------------------------------------------------

# A text on one line.
one_line() {
    printf '%s' "$1" | tr '\r\n' '  '
}

# A text as the data of a workflow command; what a URL may hold before its host is nobody's business.
escaped() {
    one_line "$1" | sed -e 's/%/%25/g' -e 's#//[^/@ ]*@#//***@#g'
}

output() {
    if [ -n "${GITHUB_OUTPUT:-}" ]; then
        case $2 in
        *[!0-9A-Za-z._{}/-]*) printf '%s=%s\n' "$1" "$(forget_secrets && one_line "$2")" ;;
        *) printf '%s=%s\n' "$1" "$2" ;; # most are no more than a word
        esac >>"$GITHUB_OUTPUT"
    fi
}

# Ends the step: nothing was run. On stderr, since what a function prints may be what its caller takes.
refuse() {
    printf '::error title=regsync was not run::%s\n' "$(forget_secrets && escaped "$1")" >&2
    exit 1
}

# What holds until somebody knows better: the last line of a name counts. Whatever ends this step, nobody has to guess.
output result failed
output has-changes false
output has-risk false
output counts '{}'
output shards '[]'
for name in bytes-to-transfer plan-file plan-id result-file summary-file subjects-file comment-url version binary-path; do
    output "$name" ''
done
output failure-reason install
output exit-code 1

# --- whether it is run ------------------------------------------------------------------------

command=${INPUT_COMMAND:-plan}
case $command in
plan | apply | validate | install) ;;
*)
    output failure-reason usage
    refuse "command is not plan, apply, validate or install"
    ;;
esac

# --- which binary -----------------------------------------------------------------------------

# Sets `triple` to the name of what this machine runs.
find_triple() {
    machine=$(uname -s)/$(uname -m)
    case $machine in
    Linux/x86_64 | Linux/amd64) triple=x86_64-unknown-linux-musl ;;
    Linux/aarch64 | Linux/arm64) triple=aarch64-unknown-linux-musl ;;
    Darwin/x86_64) triple=x86_64-apple-darwin ;;
    Darwin/arm64 | Darwin/aarch64) triple=aarch64-apple-darwin ;;
    MINGW*/x86_64 | MSYS*/x86_64 | CYGWIN*/x86_64) triple=x86_64-pc-windows-msvc ;;
    *) refuse "there is no regsync for $machine; build it, and name it in binary-path" ;;
    esac
}

# Sets `digest` to the SHA-256 of the file $1.
find_digest() {
    if command -v sha256sum >/dev/null 2>&1; then
        digest=$(sha256sum <"$1")
    elif command -v shasum >/dev/null 2>&1; then
        digest=$(shasum -a 256 <"$1")
    elif command -v openssl >/dev/null 2>&1; then
        digest=$(openssl dgst -sha256 -r <"$1")
    else
        refuse "neither sha256sum, shasum nor openssl is here: the binary cannot be checked"
    fi
    digest=${digest%% *}
}

# Downloads $1 to the file $2. Plain HTTP only from this very machine; what comes is checked in any case.
fetch() {
    case $1 in
    https://*) protocols='=https' ;;
    http://127.0.0.1:* | http://localhost:*) protocols='=http' ;;
    *) refuse "download-url must begin with https://" ;;
    esac
    if command -v curl >/dev/null 2>&1; then
        curl --fail --silent --show-error --location --proto "$protocols" --proto-redir "$protocols" \
            --retry 3 --connect-timeout 20 --max-time 300 --output "$2" "$1"
    elif command -v wget >/dev/null 2>&1; then
        wget -q -t 3 -T 60 -O "$2" "$1"
    else
        refuse "neither curl nor wget is here: name a binary in binary-path"
    fi
}

# The version to use: the one asked for, or the last that is listed.
pinned_version() {
    if [ -n "${INPUT_VERSION:-}" ]; then
        printf '%s\n' "${INPUT_VERSION#v}"
    else
        sed -n 's/^\([0-9][^ ]*\) .*/\1/p' "$here/checksums.txt" | tail -n 1
    fi
}

# The SHA-256 that is listed for version $1 on target $2; nothing where none is.
listed() {
    awk -v version="$1" -v target="$2" '$1 == version && $2 == target { print $3 }' "$here/checksums.txt" | tail -n 1
}

# Downloads $1 and keeps it as $2, if its SHA-256 is $3.
install_binary() {
    mkdir -p "$(dirname "$2")"
    part=$(mktemp -d "$2.XXXXXX")
    trap 'rm -rf "$part"' EXIT
    fetch "$1" "$part/regsync" || refuse "$1 could not be downloaded"
    find_digest "$part/regsync"
    [ "$digest" = "$3" ] || refuse "$1 has the SHA-256 $digest, not $3: it was not run"
    chmod 755 "$part/regsync"
    mv -f "$part/regsync" "$2"
    rm -rf "$part"
    trap - EXIT
}

# Sets `binary` to the released regsync: from the tool cache where it is sound there, from the release otherwise.
use_release() {
    find_triple
    version=$(pinned_version)
    [ -n "$version" ] || refuse "no release is listed yet: set build to true, or name a binary in binary-path"
    case $version in *[!0-9A-Za-z.+-]*) refuse "version is no version" ;; esac
    wanted=$(listed "$version" "$triple")
    [ -n "$wanted" ] || refuse "version $version for $triple is not in this action's checksums"
    cache=${RUNNER_TOOL_CACHE:-${RUNNER_TEMP:-}}
    [ -n "$cache" ] || cache=$(mktemp -d)
    suffix=
    case $triple in *-windows-*) suffix=.exe ;; esac
    binary=$cache/regsync/$version/$triple/regsync$suffix
    # What lies in the cache may have been changed by an earlier job: it is checked each time. A cache that was restored
    # may have lost the right to run it.
    if [ -f "$binary" ] && [ -x "$binary" ]; then
        find_digest "$binary"
        if [ "$digest" = "$wanted" ]; then
            return
        fi
    fi
    base=${INPUT_DOWNLOAD_URL:-$releases}
    install_binary "${base%/}/v$version/regsync-$triple$suffix" "$binary" "$wanted"
}

# Sets `binary` to a regsync built from this checkout.
use_checkout() {
    command -v cargo >/dev/null 2>&1 || refuse "build needs a Rust toolchain, and there is no cargo"
    directory=${CARGO_TARGET_DIR:-target}
    case $directory in /* | [A-Za-z]:*) ;; *) directory=$here/../$directory ;; esac
    (cd "$here/.." && cargo build --quiet --locked --profile "${REGSYNC_BUILD_PROFILE:-release}" --bin regsync >&2) ||
        refuse "the build failed"
    case ${REGSYNC_BUILD_PROFILE:-release} in
    dev) binary=$directory/debug/regsync ;;
    *) binary=$directory/${REGSYNC_BUILD_PROFILE:-release}/regsync ;;
    esac
}

# Sets `binary` to what is to be run.
find_binary() {
    if [ -n "${INPUT_BINARY_PATH:-}" ]; then
        binary=$INPUT_BINARY_PATH
        if [ ! -f "$binary" ] || [ ! -x "$binary" ]; then
            refuse "binary-path names no program"
        fi
    elif [ "${INPUT_BUILD:-}" = true ]; then
        use_checkout
    else
        use_release
    fi
}

binary=$(
    forget_secrets
    find_binary
    printf '%s' "$binary"
)
case $binary in
/* | [A-Za-z]:*) ;;
*) binary=$PWD/$binary ;;
esac
output binary-path "$binary"

# --- what it is told --------------------------------------------------------------------------

# An input that was given is stronger than the variable of the job; one that was not leaves it alone.
give() {
    if [ -n "$2" ]; then
        export "$1=$2"
    fi
}

give REGSYNC_CONFIG "${INPUT_CONFIG:-}"
give REGSYNC_EXPECT_PLAN_ID "${INPUT_EXPECT_PLAN_ID:-}"
give REGSYNC_ONLY "${INPUT_ONLY:-}"
give REGSYNC_EXCLUDE "${INPUT_EXCLUDE:-}"
give REGSYNC_SHARD "${INPUT_SHARD:-}"
give REGSYNC_CONCURRENCY "${INPUT_CONCURRENCY:-}"
give REGSYNC_DEADLINE "${INPUT_DEADLINE:-}"
give REGSYNC_DETAILED_EXITCODE "${INPUT_DETAILED_EXITCODE:-}"
give REGSYNC_REQUIRE_COMPLETE "${INPUT_REQUIRE_COMPLETE:-}"
give REGSYNC_FAIL_FAST "${INPUT_FAIL_FAST:-}"
give REGSYNC_FAIL_ON_RISK "${INPUT_FAIL_ON_RISK:-}"
give REGSYNC_ALLOW "${INPUT_ALLOW:-}"
give REGSYNC_CHANGES "${INPUT_CHANGES:-}"
give REGSYNC_COMMENT "${INPUT_COMMENT:-}"
give REGSYNC_LABEL "${INPUT_LABEL:-}"
give REGSYNC_SUMMARY "${INPUT_SUMMARY:-}"
give REGSYNC_ANNOTATIONS "${INPUT_ANNOTATIONS:-}"
give REGSYNC_REPORT "${INPUT_REPORT:-}"
give REGSYNC_LOG "${INPUT_LOG_LEVEL:-}"
# Who runs a job again with debugging wants to see more; requests, not what every library thinks.
if [ "${RUNNER_DEBUG:-}" = 1 ]; then
    export REGSYNC_LOG="${REGSYNC_LOG:-regsync=debug}"
fi

if [ -n "${INPUT_WORKING_DIRECTORY:-}" ]; then
    # `cd -` goes back to where a shell was before.
    [ "$INPUT_WORKING_DIRECTORY" != - ] || INPUT_WORKING_DIRECTORY=./-
    # What a shell says of a name is not escaped.
    if ! CDPATH='' cd -- "$INPUT_WORKING_DIRECTORY" 2>/dev/null; then
        output failure-reason usage
        refuse "working-directory is no directory"
    fi
fi

# From here on it is not for want of a binary.
output failure-reason failed

# Becomes regsync, with all that it is told.
become_regsync() {
    give REGSYNC_AUTH "$registry_auth"
    give GITHUB_TOKEN "$github_token"
    exec "$binary" "$command"
}

case $command in
plan)
    if [ -n "${INPUT_PLAN_FILE:-}" ]; then
        export REGSYNC_OUT="$INPUT_PLAN_FILE"
    elif [ -z "${REGSYNC_OUT:-}" ] && [ -n "${RUNNER_TEMP:-}" ]; then
        # Each step has its own: a job may plan more than once.
        directory=$(forget_secrets && mktemp -d "$RUNNER_TEMP/regsync.XXXXXX")
        export REGSYNC_OUT="$directory/plan.json"
    fi
    become_regsync
    ;;
apply)
    give REGSYNC_PLAN "${INPUT_PLAN_FILE:-}"
    become_regsync
    ;;
validate) become_regsync ;;
install)
    version=$("$binary" --version)
    [ -z "${GITHUB_PATH:-}" ] || printf '%s\n' "${binary%/*}" >>"$GITHUB_PATH"
    version=${version#* }
    output version "${version%% *}"
    output result no-changes
    output failure-reason ''
    output exit-code 0
    ;;
esac
