#section support_code_struct

/* The points of these kernels, and the kernels themselves. The same kernels come again at each
   evaluation of a trained network, and comparing them costs a tenth of transforming them. */
PyArrayObject *kept_kernels, *kept_points;

static int same(PyArrayObject *one, PyArrayObject *other) {
    if (one == NULL || memcmp(PyArray_DIMS(one), PyArray_DIMS(other), 4 * sizeof(npy_intp)))
        return 0;
    const char *a = (const char *)PyArray_DATA(one), *b = (const char *)PyArray_DATA(other);
    const long bytes = PyArray_NBYTES(one), part = 1 << 16;
    int differ = 0;
    #pragma omp parallel for schedule(static) reduction(|:differ)
    for (long first = 0; first < bytes; first += part)
        if (!differ) differ = memcmp(a + first, b + first,
                                     bytes - first < part ? bytes - first : part) != 0;
    return !differ;
}

int APPLY_SPECIFIC(kernel_points)(PyArrayObject *kernels, PyArrayObject **points,
                                  PARAMS_TYPE *params) {
    kernels = PyArray_GETCONTIGUOUS(kernels);
    if (kernels == NULL) return 1;
    if (!same(kept_kernels, kernels)) {
        npy_intp shape[3] = {POINTS, PyArray_DIMS(kernels)[0], PyArray_DIMS(kernels)[1]};
        Py_CLEAR(kept_points);
        Py_CLEAR(kept_kernels);
        Py_CLEAR(*points);
        kept_kernels = (PyArrayObject *)PyArray_NewCopy(kernels, NPY_CORDER);
        kept_points = (PyArrayObject *)PyArray_EMPTY(3, shape, NPY_FLOAT32, 0);
        if (kept_points == NULL || kept_kernels == NULL) {
            Py_CLEAR(kept_kernels);
            Py_DECREF(kernels);
            return 1;
        }
        kernels_to_points((const float *)PyArray_DATA(kernels), shape[1], shape[2], params->flip,
                          (float *)PyArray_DATA(kept_points));
    }
    Py_DECREF(kernels);
    Py_INCREF(kept_points);
    Py_XDECREF(*points);
    *points = kept_points;
    return 0;
}

#section init_code_struct

kept_kernels = kept_points = NULL;

#section cleanup_code_struct

Py_XDECREF(kept_kernels);
Py_XDECREF(kept_points);
