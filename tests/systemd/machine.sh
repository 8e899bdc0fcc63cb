#!/usr/bin/env bash
# Boots a real systemd in namespaces of its own, over the files of this machine: what it writes lands
# in a tmpfs. Usage: machine.sh CGROUP FOLDER [SOURCE TARGET]…; each SOURCE is seen at TARGET.
set -euo pipefail

if [ "${1:-}" != --inside ]; then
    cgroup=$1
    mkdir -p "$cgroup"
    echo $$ >"$cgroup/cgroup.procs"
    exec unshare --fork --pid --mount --uts --ipc --net --cgroup --kill-child \
        bash "$0" --inside "${@:2}"
fi

folder=$2
shift 2
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$folder"
mkdir "$folder"/{upper,work,root}
mount -t overlay overlay \
    -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
root=$folder/root
while [ $# -gt 0 ]; do
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    shift 2
done
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for one in run tmp var/log var/tmp; do mount -t tmpfs tmpfs "$one"; done
chmod 1777 tmp var/tmp
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
for one in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "dev/${one%:*}" c 1 "${one#*:}"
done
mknod -m 666 dev/tty c 5 0
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s /proc/self/fd dev/fd
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mkdir -p etc/systemd/system
for unit in systemd-udevd systemd-udev-trigger systemd-sysctl systemd-modules-load \
    systemd-remount-fs systemd-logind systemd-timesyncd getty@ console-getty \
    systemd-networkd systemd-resolved systemd-binfmt systemd-firstboot; do
    ln -sf /dev/null "etc/systemd/system/$unit.service"
done
: >etc/fstab
rm -f etc/machine-id && echo 0123456789abcdef0123456789abcdef >etc/machine-id
mkdir .old
pivot_root . .old
cd /
umount -l /.old
exec env -i container=x PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=basic.target
