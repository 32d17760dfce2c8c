#!/usr/bin/env bash
# Tests the package on a virtual machine with systemd: Debian in qemu, with cameras that its kernel emulates. The checks
# are in inside.sh and devices.sh.
#
# Not part of tests/all.sh: it takes some minutes and 2 GB, mostly for the disk, which is made once and kept in
# target/machine. Needs Debian on x86-64, and root or sudo; it installs the programs that it needs.
# `tests/installed/machine.sh [PROFILE]` uses the program of a profile other than release.
set -euo pipefail
cd "$(dirname "$0")/../.."

source tests/support/packages.sh
PATH=$PATH:/sbin:/usr/sbin
missing qemu-system-x86_64 qemu-system-x86
missing mmdebstrap mmdebstrap
missing mke2fs e2fsprogs
install_missing

machine=target/machine
mkdir -p $machine
scratch=$(mktemp -d)
trap '$sudo rm -rf "$scratch"' EXIT

# Runs the script of the second disk, with the second serial line as its output, and switches the machine off.
make_unit() { # FILE
    cat >"$1" <<'UNIT'
[Service]
ExecStart=/bin/bash -c 'mount -o ro /dev/vdb /mnt && exec bash /mnt/inside.sh'
ExecStopPost=/bin/systemctl poweroff --no-block
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
[Install]
WantedBy=multi-user.target
UNIT
}

make_disk() {
    local suite packages
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    packages=systemd-sysv,udev,dbus,linux-image-amd64,initramfs-tools,init-system-helpers,curl,procps,kmod,iproute2,v4l-utils
    make_unit "$scratch/inside.service"
    $sudo mmdebstrap --quiet --variant=minbase --include=$packages \
        --customize-hook="copy-in $scratch/inside.service /etc/systemd/system" \
        --customize-hook='chroot "$1" systemctl enable inside.service' "$suite" "$scratch/root"
    # Files of this user, because qemu reads the kernel and the initrd.
    $sudo sh -c "cat $scratch/root/boot/vmlinuz-*" >$machine/kernel
    $sudo sh -c "cat $scratch/root/boot/initrd.img-*" >$machine/initrd
    $sudo mke2fs -q -t ext4 -d "$scratch/root" $machine/disk.new 2G >/dev/null
    $sudo chown "$(id -u)" $machine/disk.new
    mv $machine/disk.new $machine/disk
}

deb=$(bash tests/package.sh build "${1:-release}")
# A changed script may need another disk.
[ $machine/disk -nt tests/installed/machine.sh ] || make_disk
mkdir "$scratch/given"
cp "$deb" tests/installed/inside.sh tests/installed/devices.sh tests/support/checks.sh "$scratch/given"
mke2fs -q -t ext4 -d "$scratch/given" "$scratch/given.disk" 64M >/dev/null

# Some systems have /dev/kvm but no virtualization.
accel=$(grep -qE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ] && echo kvm || echo tcg)
# -snapshot discards all writes to the disks.
timeout 1200 qemu-system-x86_64 -accel "$accel" -smp 2 -m 1G -no-reboot -nodefaults -display none \
    -kernel $machine/kernel -initrd $machine/initrd -append "root=/dev/vda rw console=ttyS0" -snapshot \
    -drive file=$machine/disk,format=raw,if=virtio -drive file="$scratch/given.disk",format=raw,if=virtio \
    -serial file:$machine/console -serial stdio </dev/null | sed -u 's,\r$,,' | tee $machine/output
grep -qx "all checks passed" $machine/output
