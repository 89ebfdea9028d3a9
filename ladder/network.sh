#!/bin/sh
# A card: an address by DHCP, then a line by TCP in each direction.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
cat > /tmp/lease << 'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev "$interface"
ip route add default via "$router"
END
chmod +x /tmp/lease
ip link set lo up
ip link set eth0 up
udhcpc -i eth0 -n -q -s /tmp/lease
echo "address: $(ip address show dev eth0 | grep 'inet ')"
for word in $(cat /proc/cmdline); do
    case $word in traffic.port=*) port=${word#*=} ;; esac
done
echo "from the host: $(nc 10.0.2.2 "$port" < /dev/null)"
while :; do echo "a line from the guest" | nc -l -p 22; done
