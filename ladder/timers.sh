#!/bin/sh
# A program that wants to be woken: ping, by alarm and setitimer.
mount -t proc proc /proc
ip link set lo up
ping -c 2 127.0.0.1
echo "ping ended with $?"
reboot -f
