#!/bin/sh
# How this host goes back to what it was before Kâhya changed one system on it.
#
# It lies in /var/lib/kahya/return/<system>, which only root may open, and needs no network.
# Kâhya writes beside it, before the first change:
#   paths    files and folders that will be touched, one a line
#   dumps    shell: puts states that are no files into files here
#   steps    shell: what to do once the files are back (`step 'command'`, run in this folder)
#   cuts     those of the steps that concern the path to this host; right in both directions
# It adds: saved.tar and absent (the state before), armed (a timer runs), returned (by whom).
set -u
umask 077
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) && cd "$here" || exit 1
name=$(basename "$here")
units=/etc/systemd/system
unit=kahya-return-$name
exec 9>lock && flock 9

save() {
    : >present && : >absent || exit 1
    while read -r path; do
        target=$(readlink -f -- "$path") || target=$path
        for path in "$path" "$target"; do
            if [ -e "$path" ] || [ -L "$path" ]; then
                printf '%s\n' "$path" >>present || exit 1
            else # folders above it, too
                until [ -e "$path" ]; do
                    printf '%s\n' "$path" >>absent || exit 1
                    path=$(dirname -- "$path")
                done
            fi
        done
    done <paths
    tar --create --format=posix --absolute-names --no-recursion --file saved.tar --files-from present || exit 1
    sh -e dumps || exit 1
}

arm() { # as units that outlive a reboot: the timer then starts anew
    [ ! -e returned ] || exit 1
    cat >"$units/$unit.service" <<END || exit 1
[Unit]
Description=Return to the state before the change of $name, which nobody confirmed
[Service]
Type=oneshot
ExecStart=/bin/sh $here/way_back undo timer
Restart=on-failure
RestartSec=3
END
    cat >"$units/$unit.timer" <<END || exit 1
[Timer]
OnActiveSec=$1
AccuracySec=100ms
END
    mkdir -p "$units/timers.target.wants" && ln -sf "../$unit.timer" "$units/timers.target.wants/" &&
        : >armed && sync -f . "$units" && systemctl daemon-reload && systemctl start "$unit.timer" && return
    disarm # without a running timer nobody may rely on it
    exit 1
}

disarm() {
    rm -f armed
    [ -e "$units/$unit.service" ] || return 0
    systemctl --quiet stop "$unit.timer"
    rm -f "$units/timers.target.wants/$unit.timer" "$units/$unit.timer" "$units/$unit.service"
    systemctl daemon-reload
}

confirm() {
    [ ! -e returned ] || { echo "the host had returned before it was confirmed" >&2 && exit 1; }
    disarm
}

step() { (sh -ec "$1" 9>&-) || { failed=1 && echo "not undone: $1" >&2; }; }

undo() { # by whom
    [ "$1" != timer ] || [ -e armed ] || { disarm; exit 0; } # confirmed in the last moment
    [ ! -e returned ] || { disarm; exit 0; } # the power failed before the timer was removed
    failed=
    while read -r path; do
        if [ -d "$path" ] && [ ! -L "$path" ]; then
            rmdir --ignore-fail-on-non-empty -- "$path" || failed=1
        else
            rm -f -- "$path" || failed=1
        fi
    done <absent
    tar --extract --absolute-names --preserve-permissions --file saved.tar || failed=1
    . ./steps
    # What an interrupted apply did was confirmed or had no timer: it goes whoever asks.
    [ ! -e earlier/way_back ] || sh earlier/way_back undo together || failed=1
    [ -z "$failed" ] || exit 1
    echo "$1" >returned
    sync # what was restored may lie anywhere; the timer is not needed any more once it is on disk
    disarm
}

revert() { # seconds: the state now comes back unless the new login succeeds
    [ -s cuts ] || { undo revert && return; }
    again=../$name.again
    rm -rf "$again" && mkdir "$again" && cp way_back paths dumps "$again/" || exit 1
    { cat cuts && echo "rm -f ../$name/returned"; } >"$again/steps" && : >"$again/cuts" || exit 1
    sh "$again/way_back" save && sh "$again/way_back" arm "$1" && undo revert
}

settle() { # after the new login
    [ ! -e "../$name.again" ] || { sh "../$name.again/way_back" confirm && rm -rf "../$name.again"; }
}

claim() { echo revert >returned; }

status() {
    if [ -e "../$name.again/armed" ]; then echo again
    elif [ -e returned ]; then cat returned
    elif [ -e armed ]; then echo armed
    else echo kept; fi
    [ ! -s cuts ] || echo cuts
}

"$@"
