#!/bin/sh -eu
# What a freshly installed host of the lab is like; mmdebstrap calls this with the new root as $1.
# Nothing here belongs to one host: keys, names and addresses come when it is created.
cd "$1"

cat > etc/apt/sources.list <<EOF
deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
EOF

chroot . useradd --create-home --shell /bin/bash --uid 1000 --password '*' kahya
echo 'kahya ALL=(ALL:ALL) NOPASSWD: ALL' > etc/sudoers.d/kahya
chmod 440 etc/sudoers.d/kahya

# Three engines and a test run may knock at once; the default drops the eleventh.
printf 'MaxStartups 100:30:200\nMaxSessions 100\n' > etc/ssh/sshd_config.d/lab.conf

# Hosts of a lab may be lost with the machine's power: no waiting for its disk on every package.
echo force-unsafe-io > etc/dpkg/dpkg.cfg.d/lab

# Each host has its own identity, and the machine's resolver is out of reach.
rm -f etc/ssh/ssh_host_* etc/resolv.conf etc/hostname
: > etc/machine-id
: > etc/resolv.conf
rm -rf var/lib/apt/lists/* var/cache/apt/*.bin var/log/*.log var/log/apt
