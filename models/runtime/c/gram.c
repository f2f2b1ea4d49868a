#section support_code

/* Gram matrices and their gradient. Positions are cut into parts of a fixed length, so that the
   results do not depend on the number of threads. */

enum { PART = 4096 };

/* G (channels x channels) = x (channels x positions) x transposed; partial has room for a matrix a
   part. Only half is computed: the matrix is symmetric. */
static void gram_matrix(const float *x, long channels, long positions, float *partial, float *G) {
    const long parts = (positions + PART - 1) / PART, size = channels * channels;
    #pragma omp for schedule(dynamic)
    for (long part = 0; part < parts; part++) {
        const long first = part * PART;
        float one = 1, zero = 0;
        char upper = 'L', transposed = 'T';
        int n = (int)channels, step = (int)positions;
        int k = (int)(positions - first < PART ? positions - first : PART);
        ssyrk_(&upper, &transposed, &n, &k, &one, (float *)x + first, &step, &zero,
               partial + part * size, &n);
    }
    #pragma omp for schedule(static)
    for (long i = 0; i < channels; i++)
        for (long j = i; j < channels; j++) {  /* the BLAS's lower half is our upper one */
            float sum = 0;
            for (long part = 0; part < parts; part++)
                sum += partial[part * size + i * channels + j];
            G[i * channels + j] = G[j * channels + i] = sum;
        }
}

/* gradient (channels x positions) = (S + S transposed) x, or that added to what it holds. */
static void gram_back(const float *both, const float *x, long channels, long positions, int onto,
                      float *gradient) {
    const long parts = (positions + PART - 1) / PART;
    #pragma omp for schedule(dynamic)
    for (long part = 0; part < parts; part++) {
        const long first = part * PART;
        multiply('N', 'N', channels, positions - first < PART ? positions - first : PART, channels,
                 both, channels, x + first, positions, onto, gradient + first, positions);
    }
}
