#include "cmd.h"
const struct sosnap_cmd sosnap_cmd_store_check = { .name = "store check", .usage="", .help="" };
