var app = Microsoft.AspNetCore.Builder.WebApplication.CreateSlimBuilder(args).Build();
app.MapGet("/", () => "hello");
app.Run();
