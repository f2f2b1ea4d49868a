#section support_code

/* Kernels and their points, kept for all functions of the process that use the same kernels. They
   come again at each evaluation of a trained network, and comparing them costs a tenth of
   transforming them. */
struct Kept {
    PyArrayObject *kernels, *points;
    int flip;
    long users;
    Kept *next;
};

static Kept *all_kept = NULL;

static int same(PyArrayObject *one, PyArrayObject *other) {
    if (memcmp(PyArray_DIMS(one), PyArray_DIMS(other), 4 * sizeof(npy_intp))) return 0;
    const char *a = (const char *)PyArray_DATA(one), *b = (const char *)PyArray_DATA(other);
    const long bytes = PyArray_NBYTES(one), part = 1 << 16;
    int differ = bytes && memcmp(a, b, bytes < part ? bytes : part) != 0;
    if (differ) return 0;
    #pragma omp parallel for schedule(static) reduction(|:differ)
    for (long first = part; first < bytes; first += part)
        if (!differ) differ = memcmp(a + first, b + first,
                                     bytes - first < part ? bytes - first : part) != 0;
    return !differ;
}

static void let_go(Kept *kept) {
    if (kept == NULL || --kept->users > 0) return;
    Kept **link = &all_kept;
    while (*link != kept) link = &(*link)->next;
    *link = kept->next;
    Py_XDECREF(kept->kernels);
    Py_XDECREF(kept->points);
    free(kept);
}

/* What is kept of these kernels, by this op or another; NULL without memory. */
static Kept *keep(PyArrayObject *kernels, int flip) {
    for (Kept *kept = all_kept; kept; kept = kept->next)
        if (kept->flip == flip && same(kept->kernels, kernels)) {
            kept->users++;
            return kept;
        }
    npy_intp shape[3] = {POINTS, PyArray_DIMS(kernels)[0], PyArray_DIMS(kernels)[1]};
    Kept *kept = (Kept *)malloc(sizeof(Kept));
    if (kept == NULL) return NULL;
    const Kept fresh = {(PyArrayObject *)PyArray_NewCopy(kernels, NPY_CORDER),
                        (PyArrayObject *)PyArray_EMPTY(3, shape, NPY_FLOAT32, 0), flip, 1,
                        all_kept};
    *kept = fresh;
    all_kept = kept;
    if (kept->kernels == NULL || kept->points == NULL) {
        let_go(kept);
        return NULL;
    }
    kernels_to_points((const float *)PyArray_DATA(kernels), shape[1], shape[2], flip,
                      (float *)PyArray_DATA(kept->points));
    return kept;
}

#section support_code_struct

Kept *kept;

int APPLY_SPECIFIC(kernel_points)(PyArrayObject *kernels, PyArrayObject **points,
                                  PARAMS_TYPE *params) {
    kernels = PyArray_GETCONTIGUOUS(kernels);
    if (kernels == NULL) return 1;
    if (kept == NULL || !same(kept->kernels, kernels)) {
        Py_CLEAR(*points);
        let_go(kept);
        kept = keep(kernels, params->flip);
    }
    Py_DECREF(kernels);
    if (kept == NULL) {
        PyErr_NoMemory();
        return 1;
    }
    Py_INCREF(kept->points);
    Py_XDECREF(*points);
    *points = kept->points;
    return 0;
}

#section init_code_struct

kept = NULL;

#section cleanup_code_struct

let_go(kept);
