// Keeps libmpg123, by which libsndfile decodes MP3, from writing to standard error; there is nothing to call.
#pragma once
