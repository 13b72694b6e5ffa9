#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What an I/O costs beside dm-linear stays within its bounds. Instructions are
# counted, so the figures do not depend on the machine; one kernel is enough.
# timeout: 600
set -uo pipefail

case $VM_KERNEL in
6.1 | 6.1.*) ;;
*) exit 4 ;;
esac
exec "$SOSNAP_TOP/scripts/bench" --kernel "$VM_KERNEL" --quick --build "$SOSNAP_BUILD"
