// What happens before the program's libraries are initialized; there is nothing to call.
#pragma once
