// Chinese for the pages Job, Run, Edit, Settings and sign-in.
export const words = {
};
