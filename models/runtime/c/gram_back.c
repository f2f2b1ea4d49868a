#section support_code_apply

int APPLY_SPECIFIC(gram_back)(PyArrayObject *above, PyArrayObject *x, PyArrayObject *onto,
                              PyArrayObject **gradient, PARAMS_TYPE *params) {
    const npy_intp *shape = PyArray_DIMS(x);
    const long channels = shape[1], size = channels * channels;
    if (PyArray_DIMS(above)[0] != shape[0] || PyArray_DIMS(above)[1] != channels
        || PyArray_DIMS(above)[2] != channels
        || (params->added && memcmp(PyArray_DIMS(onto), shape, 3 * sizeof(npy_intp)))) {
        PyErr_SetString(PyExc_ValueError, "a Gram matrix, its gradient and its features do not "
                        "fit");
        return 1;
    }
    if (params->inplace && PyArray_ISCARRAY(onto)) {
        Py_XDECREF(*gradient);
        Py_INCREF(onto);
        *gradient = onto;
    } else {
        if (no_room(gradient, 3, shape)) return 1;
        if (params->added && PyArray_CopyInto(*gradient, onto)) return 1;
    }
    x = PyArray_GETCONTIGUOUS(x);
    above = PyArray_GETCONTIGUOUS(above);
    float *both = (float *)malloc(sizeof(float) * (shape[0] * size + 1));
    const int failed = x == NULL || above == NULL || both == NULL;
    if (!failed) {
        const float *s = (const float *)PyArray_DATA(above);
        Threads threads;
        #pragma omp parallel num_threads(threads.count)
        for (long n = 0; n < shape[0]; n++) {
            #pragma omp for schedule(static)
            for (long i = 0; i < channels; i++)
                for (long j = 0; j < channels; j++)
                    both[n * size + i * channels + j] =
                        s[n * size + i * channels + j] + s[n * size + j * channels + i];
            gram_back(both + n * size,
                      (const float *)PyArray_DATA(x) + n * channels * shape[2], channels, shape[2],
                      params->added,
                      (float *)PyArray_DATA(*gradient) + n * channels * shape[2]);
        }
    } else
        PyErr_NoMemory();
    free(both);
    Py_XDECREF(x);
    Py_XDECREF(above);
    return failed;
}
