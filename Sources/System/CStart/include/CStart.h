// What happens before the program's libraries are initialised; there is nothing to call.
#pragma once
