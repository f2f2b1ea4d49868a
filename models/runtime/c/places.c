#section support_code

/* Rows and columns of planes by their numbers, and numbers added up at their rows and columns.
   Planes are shared out among the threads; a negative number is the place of a zero. */

/* Whether all numbers are below so many. */
static inline int all_below(const npy_int64 *places, long count, long limit) {
    long largest = -1;
    for (long i = 0; i < count; i++) largest = places[i] > largest ? places[i] : largest;
    return largest < limit;
}

static void take_plane(const float *x, long width, const npy_int64 *rows, long height,
                       const npy_int64 *columns, long length, float *y) {
    for (long i = 0; i < height; i++, y += length) {
        if (i && rows[i] == rows[i - 1]) {
            memcpy(y, y - length, length * sizeof *y);
        } else if (rows[i] < 0) {
            memset(y, 0, length * sizeof *y);
        } else {
            const float *line = x + rows[i] * width;
            for (long j = 0; j < length; j++) y[j] = columns[j] < 0 ? 0 : line[columns[j]];
        }
    }
}

static void put_plane(const float *g, const npy_int64 *rows, long height,
                      const npy_int64 *columns, long length, long width, float *y) {
    for (long i = 0; i < height; i++, g += length) {
        if (rows[i] < 0) continue;
        float *line = y + rows[i] * width;
        for (long j = 0; j < length; j++)
            if (columns[j] >= 0) line[columns[j]] += g[j];
    }
}
