#section support_code_apply

int APPLY_SPECIFIC(pool)(PyArrayObject *x, PyArrayObject **y, PARAMS_TYPE *params) {
    const npy_intp *from = PyArray_DIMS(x), to[4] = {from[0], from[1], from[2] / 2, from[3] / 2};
    if (no_room(y, 4, to)) return 1;
    x = PyArray_GETCONTIGUOUS(x);
    if (x == NULL) return 1;
    const float *data = (const float *)PyArray_DATA(x);
    float *pooled = (float *)PyArray_DATA(*y);
    #pragma omp parallel for schedule(static)
    for (long plane = 0; plane < to[0] * to[1]; plane++)
        pool_plane(data + plane * from[2] * from[3], from[3], to[2], to[3], params->mean,
                   pooled + plane * to[2] * to[3]);
    Py_DECREF(x);
    return 0;
}
