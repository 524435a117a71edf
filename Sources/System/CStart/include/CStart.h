// Runs before the program's libraries are initialized; there is no function to call.
#pragma once
