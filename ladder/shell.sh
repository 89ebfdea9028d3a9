#!/bin/sh
# A shell on the console, with job control: a session of its own with the serial port as its terminal.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo "type a command"
exec setsid cttyhack sh
