#!/bin/sh
# A program that wants to be woken: ping, by alarm and setitimer.
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
ifconfig lo 127.0.0.1
ping -c 2 127.0.0.1
echo "ping ended with $?"
reboot -f
