# Functions that ./run and ./test share; sourced by bash, `root` set to the checkout.

say() { printf '%s\n' "$*" >&2; }

# Names of the packages of the given groups that are not installed.
missing_packages() {
  local wanted installed
  wanted=$(awk -v groups=" $* " '/^#/ || NF < 2 {next} index(groups, " " $1 " ") {print $2}' \
    "$root/deploy/debian-packages.txt" | sort)
  # dpkg-query exits 1 as soon as it does not know one of the names.
  # shellcheck disable=SC2086
  installed=$( (dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null || true) |
    awk '$1 == "installed" {print $2}' | sort -u)
  comm -23 <(printf '%s\n' "$wanted") <(printf '%s\n' "$installed")
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    say "Packages must be installed: be root, install sudo, or run as root: $*"
    return 1
  fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 "$@" </dev/null >&2
}

# ensure_packages GROUP… installs what is missing of deploy/debian-packages.txt.
ensure_packages() {
  local missing try
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null; then
    say "This is not Debian. Install what these Debian packages hold, then try again:" $missing
    return 1
  fi
  say "Installing:" $missing
  for try in 1 2 3; do
    # A source that cannot be read makes `update` fail although the others are there: the
    # installation decides.
    apt_get update || true
    # shellcheck disable=SC2086
    if apt_get install --no-install-recommends $missing; then
      return 0
    fi
    sleep $((try * 5))
  done
  say "The packages could not be installed:" $missing
  return 1
}

# A compiler cache that serves checkouts in other folders, too.
use_ccache() {
  export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1
  export CCACHE_MAXSIZE="${CCACHE_MAXSIZE:-10G}"
  # What ccache's manual asks for where headers are precompiled.
  export CCACHE_SLOPPINESS="${CCACHE_SLOPPINESS:-pch_defines,time_macros}"
}

# True if the program is there and nothing that it is built from is newer than the stamp, which has
# the time when the build began.
is_current() {
  local program=$1 stamp=$2
  [ -x "$program" ] && [ -e "$stamp" ] || return 1
  [ -z "$(find "$root/src" "$root/cmake" "$root/CMakeLists.txt" "$root/CMakePresets.json" \
    "$root/deploy/debian-packages.txt" -newer "$stamp" -print -quit)" ]
}
