#section support_code_apply

int APPLY_SPECIFIC(gram)(PyArrayObject *x, PyArrayObject **grams) {
    const npy_intp *shape = PyArray_DIMS(x), to[3] = {shape[0], shape[1], shape[1]};
    if (no_room(grams, 3, to)) return 1;
    const long size = shape[1] * shape[1], parts = (shape[2] + PART - 1) / PART;
    float *partial = (float *)malloc(sizeof(float) * (parts * size + 1));
    x = PyArray_GETCONTIGUOUS(x);
    const int failed = x == NULL || partial == NULL;
    if (!failed) {
        Threads threads;
        #pragma omp parallel num_threads(threads.count)
        for (long n = 0; n < shape[0]; n++)
            gram_matrix((const float *)PyArray_DATA(x) + n * shape[1] * shape[2], shape[1],
                        shape[2], partial, (float *)PyArray_DATA(*grams) + n * size);
    } else
        PyErr_NoMemory();
    free(partial);
    Py_XDECREF(x);
    return failed;
}
