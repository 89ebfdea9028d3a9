#!/bin/sh
# A card: an address by DHCP, then a line by TCP in each direction. With ifconfig, as ip asks for a device by a socket of the
# family UNIX, which the kernel does not have yet.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
cat > /tmp/lease << 'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ifconfig "$interface" "$ip" netmask "$subnet"
route add default gw "$router"
END
chmod +x /tmp/lease
ifconfig lo 127.0.0.1
ifconfig eth0 up
udhcpc -i eth0 -n -q -s /tmp/lease
echo "address: $(ifconfig eth0 | grep 'inet addr')"
for word in $(cat /proc/cmdline); do
    case $word in traffic.port=*) port=${word#*=} ;; esac
done
echo "from the host: $(nc 10.0.2.2 "$port" < /dev/null)"
while :; do echo "a line from the guest" | nc -l -p 22; done
