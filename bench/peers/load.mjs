/** Imports a package from this folder's node_modules, wherever the benchmarks were built. */

export const load = (name) => import(name);
