#!/bin/bash
# Tries ./cenc on a fresh Debian 12 with nothing but git, in a chroot. Not part of ./cenc test,
# since it needs root, debootstrap, a network, and some minutes.
#
#   tests/tidy/fresh-debian.sh FOLDER root demo --once
#   tests/tidy/fresh-debian.sh FOLDER user test
#
# FOLDER (without spaces, 3 GB; to be removed by hand) gets the base system, made once, and a fresh
# copy of it for each run. The last commit is cloned into a folder with spaces in its name and run
# there, from another current folder: by root, or by an ordinary user who has sudo.
set -eu -o pipefail

if [ $# -lt 3 ] || [ "$(id -u)" != 0 ]; then
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
    exit 2
fi
folder=$(readlink -f -- "$1")
who=$2
shift 2
source=$(cd -- "$(dirname -- "$(readlink -f -- "$0")")/../.." && pwd)
mirror=${MIRROR:-http://deb.debian.org/debian}

mkdir -p "$folder"
if [ ! -e "$folder/base/complete" ]; then
    rm -rf --one-file-system "$folder/base"
    debootstrap --variant=minbase --include=git bookworm "$folder/base" "$mirror"
    touch "$folder/base/complete"
fi
rm -rf --one-file-system "$folder/root"
cp -a "$folder/base" "$folder/root"
cp /etc/resolv.conf "$folder/root/etc/resolv.conf"
printf '127.0.0.1 localhost\n' >"$folder/root/etc/hosts"
# no service may start in a chroot
printf '#!/bin/sh\nexit 101\n' >"$folder/root/usr/sbin/policy-rc.d"
chmod +x "$folder/root/usr/sbin/policy-rc.d"
git clone -q --bare "$source" "$folder/root/srv/cencd.git"

cat >"$folder/root/srv/try" <<'TRY'
#!/bin/bash
set -eu
who=$1
shift
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /dev
mkdir -m 1777 /dev/shm
mkdir /dev/pts
mount -t devpts -o ptmxmode=666 devpts /dev/pts
for node in "null 3" "zero 5" "full 7" "random 8" "urandom 9"; do
    mknod -m 666 "/dev/${node% *}" c 1 "${node#* }"
done
mknod -m 666 /dev/tty c 5 0
ln -s /proc/self/fd /dev/fd
ln -s pts/ptmx /dev/ptmx
home=/root
if [ "$who" = user ]; then
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends sudo >/dev/null
    useradd -m someone
    chown -R someone /srv/cencd.git
    echo 'someone ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/someone
    home=~someone
fi
chmod 700 "$home"
run=()
[ "$who" = user ] && run=(setpriv --reuid=someone --regid=someone --init-groups
    env HOME="$home" USER=someone)
cd /
"${run[@]}" git clone -q --no-hardlinks /srv/cencd.git "$home/the meters/cencd"
"${run[@]}" "$home/the meters/cencd/cenc" "$@"
TRY

# its own process and mount namespaces: whatever was left running or mounted ends with it
exec unshare --mount --pid --fork --kill-child chroot "$folder/root" \
    /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
    /bin/bash /srv/try "$who" "$@"
