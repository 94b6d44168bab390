/** The version of Entente's documents: the federation file, and every JSON document that a command prints. */
export const API_VERSION = 'entente.dev/v1alpha1'
