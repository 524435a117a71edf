// Keeps libmpg123, with which libsndfile decodes MP3, from writing to standard error; there is no function to call.
#pragma once
