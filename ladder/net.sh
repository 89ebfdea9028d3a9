#!/bin/sh
# The network's core, with no card: the loopback device.
mount -t proc proc /proc
ip link set lo up && ip address add 127.0.0.1/8 dev lo 2>/dev/null
echo "loopback: $(ip address show dev lo | grep inet)"
echo "a line over loopback" | nc -l -p 7 -s 127.0.0.1 &
sleep 1
echo "received: $(nc 127.0.0.1 7 < /dev/null)"
reboot -f
