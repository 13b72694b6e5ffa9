#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 900
#
# A host boots from a snapshot: an initramfs that mkinitramfs makes with our hook
# finds store and gold image, activates the one snapshot and mounts it, by either
# name.  The machine is switched off without closing the store; the next boot
# finds what the first one wrote, and the gold image is as it was.
# shellcheck disable=SC2054 # the commas are QEMU's
set -uo pipefail

top=${SOSNAP_TOP:-$(cd "$(dirname "$0")/../.." && pwd -P)}
build=${SOSNAP_BUILD:-$top/build}
tmp=${SOSNAP_TMP:-$(mktemp -d)}
[ -n "${SOSNAP_TMP:-}" ] || trap 'rm -rf "$tmp"' EXIT
logs=${SOSNAP_LOGS:-$tmp}
kernel=${VM_KERNEL:-6.12}

skip()
{
	echo "1..0 # SKIP $*"
	exit 4
}
[ "$(id -u)" = 0 ] || skip "needs root"
case $kernel in
*/*) skip "needs a kernel with all its modules" ;;
esac
command -v mkinitramfs > /dev/null || skip "needs mkinitramfs"
busybox=$(command -v busybox) || skip "needs busybox"

n=0 failed=0
# ok TEXT COMMAND...
ok()
{
	local text=$1 verdict=ok

	shift
	n=$((n + 1))
	"$@" > "$tmp/said" 2>&1 || { verdict='not ok' failed=1; tail -n 30 "$tmp/said" | sed 's/^/# /'; }
	echo "$verdict $n $text"
	[ "$verdict" = ok ]
}

# Kernel and modules, where scripts/vm has them once it has run
find_kernel()
{
	image=$top/build/vm/vmlinux-$release
	modules=/lib/modules/$release
	if [ ! -r "/boot/vmlinuz-$release" ] || [ ! -d "$modules/kernel" ]; then
		modules=$top/build/kernels/$release/lib/modules/$release
	fi
	case $kernel in
	*/*) modules=$(dirname "$kernel")/../lib/modules/$release ;;
	esac
	modules=$(cd "$modules" && pwd -P) && [ -r "$image" ] || return
	# mkinitramfs asks it what the kernel can unpack
	for config in "/boot/config-$release" "${modules%/lib/modules/*}/boot/config-$release"; do
		[ -r "$config" ] && return
	done
}
release=$kernel
case $kernel in
*/*) release=${kernel##*/vmlinuz-} ;;
*.*.*) ;;
*) release=$("$top/scripts/vm" --list | grep -E "^${kernel/./\.}\." | grep -Ev -- '-(cloud|rt)-' | tail -n 1) ;;
esac

# The image of a machine that counts its boots and goes off
make_gold()
{
	mkdir -p "$tmp/root"/{bin,sbin,dev,proc,sys,run,etc,root,tmp}
	cp "$busybox" "$tmp/root/bin/busybox"
	cat > "$tmp/root/sbin/init" <<-'END'
		#!/bin/busybox sh
		b=/bin/busybox
		$b mount -t proc proc /proc 2> /dev/null
		read -r boots < /boots
		boots=$((boots + 1))
		echo "$boots" > /boots
		$b sync
		$b sed -n 's,^\(/dev/[^ ]*\) / .*,booted from \1,p' /proc/mounts > /dev/console
		echo "boot number $boots" > /dev/console
		$b poweroff -f
	END
	chmod 755 "$tmp/root/sbin/init"
	echo 0 > "$tmp/root/boots"
	truncate -s 16M "$tmp/gold"
	mke2fs -q -t ext4 -L root -d "$tmp/root" "$tmp/gold"
}

make_store()
{
	truncate -s 64M "$tmp/store"
	"$top/scripts/vm" --kernel "$kernel" --disk "$tmp/store" --disk "$tmp/gold,bus=virtio,ro" \
		--log "$logs/boot-setup.log" --timeout 280 --env "SOSNAP=$build/sosnap" \
		--env "MODULE=$build/$release/dm-sosnap.ko" -- bash -ec '
			read -ra disks <<< "$VM_DISKS"
			modprobe -q -a dm-mod dm-bufio libcrc32c crc32c_generic
			insmod "$MODULE"
			"$SOSNAP" store create "${disks[0]}" --name s-1
			"$SOSNAP" store activate s-1
			"$SOSNAP" gold add s-1 "${disks[1]}" --name g
			"$SOSNAP" create s-1/root s-1/other --gold g
			"$SOSNAP" set s-1/other auto on
			"$SOSNAP" store deactivate s-1'
}

# mkinitramfs as on a host where we are installed: this one's root, with module
# and tool in it, in a mount namespace of its own
make_initrd()
{
	mkdir -p "$tmp/overlay"
	unshare -m bash -ec '
		top=$1 build=$2 release=$3 modules=$4 config=$5 overlay=$6 out=$7
		mount -t tmpfs tmpfs "$overlay"
		cd "$overlay"
		mkdir up work root mup mwork
		mount -t overlay -o "lowerdir=/,upperdir=up,workdir=work" overlay root
		mount --bind /dev root/dev
		mount -t proc proc root/proc
		mkdir -p "root/lib/modules/$release"
		mount -t overlay -o "lowerdir=$modules,upperdir=mup,workdir=mwork" overlay \
			"root/lib/modules/$release"
		install -D -m 644 "$build/$release/dm-sosnap.ko" \
			"root/lib/modules/$release/updates/dm-sosnap.ko"
		[ -r "root/boot/config-$release" ] || install -D -m 644 "$config" "root/boot/config-$release"
		make -s -C "$top/userspace" install DESTDIR="$overlay/root" BIN="$build/sosnap" \
			OBJ="$overlay/obj" -o "$build/sosnap"
		mkdir -p root/conf/hooks root/conf/scripts
		printf "%s\n" MODULES=list BUSYBOX=auto COMPRESS=gzip COMPRESSLEVEL=1 RUNSIZE=10% \
			> root/conf/initramfs.conf
		printf "%s\n" virtio_pci virtio_blk nvme ext4 > root/conf/modules
		chroot root depmod "$release"
		chroot root mkinitramfs -d /conf -o /initrd "$release"
		cp root/initrd "$out"
	' - "$top" "$build" "$release" "$modules" "$config" "$tmp/overlay" "$tmp/initrd"
}

# boot ROOT LOG: until the machine goes off
boot()
{
	timeout 300 qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -M q35 \
		-m 768 -smp 2 -accel tcg,thread=multi -cpu max,la57=off \
		-kernel "$image" -initrd "$tmp/initrd" -append "console=ttyS0 root=$1 rw panic=-1 \
			mitigations=off nokaslr clocksource=acpi_pm net.ifnames=0 tsc=reliable" \
		-drive "file=$tmp/store,format=raw,if=none,id=d0" -device virtio-blk-pci,drive=d0 \
		-drive "file=$tmp/gold,format=raw,if=none,id=d1,readonly=on" -device virtio-blk-pci,drive=d1 \
		-serial "file:$2"
}

echo "KTAP version 1"
ok "a gold image" make_gold || exit 1
before=$(sha256sum < "$tmp/gold")
ok "a store with a snapshot of it" make_store || exit 1
ok "its kernel is there" find_kernel || exit 1
ok "mkinitramfs takes the hook" make_initrd || exit 1
# What the machine says goes through a terminal.
for try in "1 /dev/sosnap/s-1/root" "2 /dev/mapper/s--1-root"; do
	number=${try%% *} dev=${try#* }
	log=$logs/boot-$number.log
	ok "root=$dev boots" boot "$dev" "$log"
	ok "from the snapshot" grep -qE 'booted from /dev/(mapper/s--1-root|sosnap/s-1/root|dm-[0-9]+)' "$log"
	ok "which knows of $number boots" grep -q "boot number $number" "$log"
	ok "the kernel log is clean" "$top/scripts/klog-scan" "$log"
	[ "$failed" = 0 ] || tail -n 40 "$log" | sed 's/^/# /'
done
ok "the store is clean" "$build/sosnap" store check "$tmp/store"
ok "the gold image is as it was" test "$(sha256sum < "$tmp/gold")" = "$before"
echo "1..$n"
exit "$failed"
