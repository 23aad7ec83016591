// Package delivery has only tests. They hold what surrounds the program to its rules: the workflows, the template that
// `pulumi new` copies, and the commands in the documentation that no sandbox is needed to judge.
package delivery
