#!/bin/sh
# A file system on the disk: read a file, write one, read it back after mounting anew.
mount -t devtmpfs devtmpfs /dev
mount -t ext4 /dev/sda /mnt && echo "read: $(cat /mnt/greeting)"
echo "a line from the guest" > /mnt/answer
umount /mnt && mount -t ext4 /dev/sda /mnt && echo "read back: $(cat /mnt/answer)"
umount /mnt
reboot -f
